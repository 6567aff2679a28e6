"""The dataset to and from what others work with: Praat and ELAN through TextGrid, spreadsheets through CSV."""
