"""HTTP requests to addresses that callers name: public ones only."""
