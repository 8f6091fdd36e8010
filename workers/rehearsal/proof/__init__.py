"""The proof: real servers hurt on purpose under load, then an auditor that shares no code with the pipeline."""
