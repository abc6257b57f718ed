"""What is stored, as people look at it: search, studies with their journey, headers, pictures, downloads."""
