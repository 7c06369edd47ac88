package main

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// manifest is what a kernel is known to have: no test may skip for lack of it.
type manifest struct {
	Features []string `json:"features"`
}

//go:embed manifest
var manifests embed.FS

func readManifest(kernel string) (*manifest, error) {
	data, err := manifests.ReadFile("manifest/" + kernel + ".json")
	if err != nil {
		return nil, fmt.Errorf("kernel %s has no manifest of its features: %w", kernel, err)
	}
	m := new(manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("manifest of kernel %s: %w", kernel, err)
	}
	return m, nil
}

var needs = regexp.MustCompile(`^needs ([a-z0-9-]+): .`)

// allows says what is wrong with a reason to skip. Without a manifest nothing is.
func (m *manifest) allows(reason string) error {
	if m == nil {
		return nil
	}
	found := needs.FindStringSubmatch(reason)
	if found == nil {
		return fmt.Errorf("skipped by %q; a live test skips by \"needs FEATURE: why\"", reason)
	}
	if slices.Contains(m.Features, found[1]) {
		return errors.New("skipped for a feature that this kernel has: " + reason)
	}
	return nil
}
