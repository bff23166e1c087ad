"""One module per page or small family of pages; each lists its own in PAGES, and site.py lists the modules."""
