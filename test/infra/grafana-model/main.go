// Reads dashboards as Grafana's own model does: every field known, of its type, and none missing that it requires.
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func read(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var read dashboard.Dashboard
	if err := read.UnmarshalJSONStrict(raw); isMistake(err) {
		return err
	}
	if err := read.Validate(); isMistake(err) {
		return err
	}
	return nil
}

// Without mistakes the SDK returns a list that is empty, and not nil.
func isMistake(err error) bool {
	return err != nil && err.Error() != ""
}

func main() {
	plugins.RegisterDefaultPlugins()
	wrong := false
	for _, path := range os.Args[1:] {
		if err := read(path); err != nil {
			wrong = true
			fmt.Printf("%s: %v\n", path, err)
		}
	}
	if wrong {
		os.Exit(1)
	}
}
