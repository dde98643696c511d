"""Images from callers and for them: inspected, decoded apart, stored, marked and addressed."""
