"""What every answer of the console says to the browser: nothing from elsewhere, no frames, no guessing of types."""

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)

_SAFE = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # With no-referrer a browser sends `Origin: null` with our own forms, which the guard could not tell from others'.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

PAGE = {**_SAFE, "Cache-Control": "no-store"}
"""Of pages: they show what a role may see, so nothing keeps them."""

ASSET = {**_SAFE, "Cache-Control": "public, max-age=31536000, immutable"}
"""Of static files: their addresses change with their content."""
