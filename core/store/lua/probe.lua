-- Do nothing; like every script that begins an edit, it is refused while Redis is full.
return 'ok'
