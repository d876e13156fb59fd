package webui

import (
	_ "embed"
	"net/http"
)

// description says what the API takes and answers, in the words of OpenAPI 3.1. Tests hold it against what the API does.
//
//go:embed openapi.yaml
var description []byte

func getDescription(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml") // RFC 9512
	w.Write(description)
	return nil
}
