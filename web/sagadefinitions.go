package web

import (
	"context"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/saga/catalog"
	"github.com/concord-tx/concord/saga/definition"
)

// Sagas has the definitions of sagas. *catalog.Catalog is the real one.
type Sagas interface {
	Review(ctx context.Context, text []byte) (*definition.Definition, catalog.Review, error)
	Publish(ctx context.Context, text []byte, by, note string) (
		p catalog.Published, r catalog.Review, fresh bool, err error)
	Get(ctx context.Context, name string, version uint32) (catalog.Published, error)
	List(ctx context.Context, prefix, after string, limit int) ([]catalog.Published, error)
}

// sagaRoutes are those of sagas.
func (s *Server) sagaRoutes(*gin.RouterGroup) {}
