package web

import (
	"reflect"

	"github.com/concord-tx/concord/saga/catalog"
	"github.com/concord-tx/concord/saga/definition"
)

// definitionTypes are the types behind the schemas of definitions of sagas.
func definitionTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"SagaReview": reflect.TypeFor[SagaReview](), "SagaFinding": reflect.TypeFor[definition.Finding](),
		"SagaExplored": reflect.TypeFor[SagaExplored](), "SagaFailure": reflect.TypeFor[SagaFailure](),
		"SagaVersion": reflect.TypeFor[SagaVersion](), "SagaPublication": reflect.TypeFor[SagaPublication](),
		"SagaStep": reflect.TypeFor[catalog.Step](), "SagaDraft": reflect.TypeFor[SagaDraft](),
		"SagaDraftReview": reflect.TypeFor[SagaDraftReview](), "SagaProblem": reflect.TypeFor[SagaProblem](),
	}
}
