"""Where rows come from, and what may come in."""
