package swarm

// Goal is what the background aims for when it chooses.
type Goal string

// The goals that there are.
const (
	GoalPreserve   Goal = "preserve"   // keep swarms alive that are about to die
	GoalAccelerate Goal = "accelerate" // make downloads faster where many want the same
	GoalBalanced   Goal = "balanced"   // some of both
)

// UnmarshalText takes any word: whoever reads it says which ones there are.
func (g *Goal) UnmarshalText(text []byte) error {
	*g = Goal(text)
	return nil
}

// MarshalText gives the goal's name.
func (g Goal) MarshalText() ([]byte, error) { return []byte(g), nil }
