"""Every setting, declared once: type, unit, default and words. File, reference page and forms come from here."""
