-- Nothing; refused where Redis is full, as whatever begins an edit is.
return 'ok'
