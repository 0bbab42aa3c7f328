"""What leaves the process about people: found and taken out of texts, ids hashed, addresses cut short."""
