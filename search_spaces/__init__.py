"""What a study varies: arms, designs, presets and search spaces, read from the settings of the levels."""
