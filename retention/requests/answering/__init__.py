"""What is told: the letter to the person, and the notices to recipients."""
