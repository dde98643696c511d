"""What the parameter `detail` is worth, on photos of the small world larger than the model's size.

    python -m bench.detail --model zoo

The renderer is exact at any size, so every edit has an exact answer at full size too.

forms      today's composition, the refined matte alone, and the second pass
figures    sharpness, PSNR, the seam and *right*, at full size
run        edits at several sizes, in every form
cost       seconds and memory for photos of several megapixels
report     the page, its JSON and the sheet
"""
