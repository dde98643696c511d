"""The command line `baret`. docs/cli.md is its guide.

main        the console script and its commands
edit        `baret edit`: photos in, edited photos out; here or on a server
batch_command  `baret batch`: the edits of a file in one request; batch_images downloads them
keys        `baret keys`: create, list and revoke API keys
models      `baret model check`: what a model is, and whether it will work
served      `baret models`: what a server serves
doctor      `baret doctor`: what is wrong with this machine, or with a server
speed       `baret bench`: how fast this machine edits
processes   `baret up` and `baret worker`: the service itself
checks      what `baret doctor` looks at
terminal    what is printed, and where
errors      the error tree, and the exit code of each

No module loads torch when it is imported, except those that a command imports when it runs:
`cli.edit.in_process`, `cli.speed` and `cli.checks.device`.
"""
