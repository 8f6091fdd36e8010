"""The words, messages and policy packs of Yidan: what the outside world may rely on."""
