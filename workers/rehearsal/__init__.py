"""Everything needed to try Yidan out on one machine and to prove it: local servers, made-up people, an auditor."""
