"""May it be accepted, and where does it belong: facts in, Decision out.

Nothing here awaits, and the same facts, settings and time always give the same decision. The files of certificate
authorities are read for it by settings/trust.py; what was found of a certificate is remembered while it holds.
"""
