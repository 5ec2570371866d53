"""What a study varies: arms, designs, presets, all read from the registry's typed settings."""
