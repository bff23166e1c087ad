"""Settings of other mail servers, read and said in ours."""
