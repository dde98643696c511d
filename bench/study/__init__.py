"""A blind study: people compare edits of the same photo in pairs, without knowing the methods.

    python -m bench.study prepare STUDY --folder MINE     draw pairs, copy images under opaque names
    python -m bench.study serve STUDY                     rate them on a page, or on paper:
    python -m bench.study sheets STUDY                    … the same pairs as PNG sheets
    python -m bench.study enter STUDY --rater ann answers.csv
    python -m bench.study export STUDY --csv ratings.csv  all answers, with the methods revealed
    python -m bench.study report STUDY                    scores, win rates, agreement of raters

Every pair is answered three times: which edit did what was asked, which kept the rest, and which
looks better. The edits come from `bench.edits` (`prepare --split`) or from a folder of your own:

    MINE/photos/ID.png             or .jpg, .jpeg, .webp
    MINE/prompts.json              {"ID": "the sentence"}
    MINE/edits/METHOD/ID.png       a method may lack some photos; they are not paired for it

A study is a folder:

    STUDY/study.json               the pairs in the order of the page; names no method
    STUDY/images/NAME.png          photos and edits under random names
    STUDY/key.json                 which method made which image; keep it from raters
    STUDY/answers/RATER.jsonl      one line per answer; the last one for a pair holds

The modules, from the bottom up:

errors          the error tree
source          edits to compare; `small_world` and `photographs` make them
pairs           balanced pairs, drawn from a seed
folder          the study folder
answers         answers of raters, appended line by line
sheets          pairs on paper
entering        answers from a CSV file
ratings         answers with the methods revealed, as CSV
server          the page, with `web/`
resampling      bootstrap over edits
bradley_terry   scores from comparisons
agreement       agreement of raters
analysis        all figures of a study
report          the page of results
"""
