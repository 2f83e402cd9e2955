package web

import "reflect"

// viewTypes are the types behind the schemas of what people look at.
func viewTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"Why": reflect.TypeFor[Why](), "CauseData": reflect.TypeFor[CauseData](), "Row": reflect.TypeFor[RowView](),
		"PossibleAction": reflect.TypeFor[PossibleAction](), "Cause": reflect.TypeFor[Cause](),
	}
}
