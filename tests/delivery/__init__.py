"""What is handed over: the wheel, the container and the chart."""
