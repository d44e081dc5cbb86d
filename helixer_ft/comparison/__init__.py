"""Every strategy that the data allow, one after the other, and which one to take."""
