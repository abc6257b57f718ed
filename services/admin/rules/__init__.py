"""Rule sets: drafts, checks, trials, dry-runs, test cases, versions, and what they did."""
