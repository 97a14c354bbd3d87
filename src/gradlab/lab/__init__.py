"""What two studies or more share: streams of seeds, statistics, curves, the style of plots, what a notebook leaves behind."""
