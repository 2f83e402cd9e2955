package definition

import (
	"encoding/json"
	"strings"
)

// AnswerJSON returns what a participant has answered as JSON: what is none becomes a text, and nothing stays "". JSON
// is UTF-8, so bytes of another charset are replaced; kept as they came, nobody could read what shows them.
func AnswerJSON(answer string) string {
	answer = strings.ToValidUTF8(answer, "\uFFFD")
	if answer == "" || json.Valid([]byte(answer)) {
		return answer
	}
	text, _ := json.Marshal(answer) // a text always can be
	return string(text)
}
