"""One file per check: pure functions of facts to findings. catalogue.py beside this folder lists them."""
