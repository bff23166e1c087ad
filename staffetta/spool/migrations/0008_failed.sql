-- What failed is rare among what was delivered, and is what is looked for.
CREATE INDEX recipient_failed ON recipient (number) WHERE state IN ('failed', 'deleted');
