package web

import (
	"context"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/saga/catalog"
)

// Sagas has the definitions of sagas, and their drafts. *catalog.Catalog is the real one.
type Sagas interface {
	Review(ctx context.Context, text []byte) (catalog.Review, error)
	Publish(ctx context.Context, text []byte, by, note string) (
		p catalog.Published, r catalog.Review, fresh bool, err error)
	Get(ctx context.Context, name string, version uint32) (catalog.Published, error)
	List(ctx context.Context, prefix, after string, limit int) ([]catalog.Published, error)
	Versions(ctx context.Context, name string, before uint32, limit int) ([]catalog.Published, error)
	Steps(p *catalog.Published) ([]catalog.Step, error)
	Ready(ctx context.Context, name string, version uint32) (uint32, *catalog.Compiled, error)
}

// sagaRoutes are those of sagas.
func (s *Server) sagaRoutes(*gin.RouterGroup) {}
