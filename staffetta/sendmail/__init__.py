"""The sendmail entry: how cron, PHP and scripts hand mail to the relay, and what happens while it is down."""
