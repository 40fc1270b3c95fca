"""The page for people: what a browser loads, and the code that reads it. May import `app.inference`."""
