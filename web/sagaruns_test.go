package web

import "reflect"

// runTypes are the types behind the schemas of runs of sagas.
func runTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"SagaStart": reflect.TypeFor[sagaStart](), "SagaStarted": reflect.TypeFor[SagaStarted](),
		"SagaRunItem": reflect.TypeFor[SagaRunItem](), "SagaRun": reflect.TypeFor[SagaRun](),
		"SagaRunStep": reflect.TypeFor[SagaRunStep](), "SagaUndo": reflect.TypeFor[SagaUndo](),
		"SagaWait": reflect.TypeFor[SagaWait](), "SagaEvent": reflect.TypeFor[SagaEvent](),
		"SagaSignal": reflect.TypeFor[sagaSignal](), "SagaAnswer": reflect.TypeFor[sagaAnswer](),
		"SagaCancel": reflect.TypeFor[sagaCancel](), "SagaRetry": reflect.TypeFor[sagaRetry](),
		"SagaSkip": reflect.TypeFor[sagaSkip](), "SagaInputProblem": reflect.TypeFor[SagaInputProblem](),
	}
}
