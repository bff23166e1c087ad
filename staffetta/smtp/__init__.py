"""How SMTP is spoken: grammar, order, replies, bodies; both sides. No I/O here, and no policy."""
