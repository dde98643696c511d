"""`baret edit`, from the outside in.

command      the command: which photos, where to, made by what
options      its options, and what they mean
batch        edits photos side by side, reports on each, stops on Ctrl-C
photos       which photos: paths, folders, patterns, standard input
results      where the results of a photo go, and writing them
manifest     what a folder of results was made from, so that a second run continues
compare      a before/after strip
progress     the lines that show how far the edits are
backend      what makes an edit: the interface, and what it takes and returns
in_process   a model loaded here
over_http    a server
"""
