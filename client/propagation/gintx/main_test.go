package gintx_test

import (
	"testing"

	"github.com/gin-gonic/gin"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	// getty and gost keep a timer wheel for the life of the process.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}
