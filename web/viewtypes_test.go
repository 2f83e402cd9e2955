package web

import "reflect"

// viewTypes are the types behind the schemas of what people look at.
func viewTypes() map[string]reflect.Type {
	return map[string]reflect.Type{
		"SavedView": reflect.TypeFor[SavedView](), "SavedViewRequest": reflect.TypeFor[viewBody](),
		"InboxClaim": reflect.TypeFor[InboxClaim](), "InboxClaimRequest": reflect.TypeFor[claimBody](),
		"InboxWait": reflect.TypeFor[InboxWait](),
		"Why":       reflect.TypeFor[Why](), "CauseData": reflect.TypeFor[CauseData](), "Row": reflect.TypeFor[RowView](),
		"LockGraph": reflect.TypeFor[LockGraph](), "LockNode": reflect.TypeFor[LockNode](),
		"LockEdge": reflect.TypeFor[LockEdge](), "HotLocks": reflect.TypeFor[HotLocks](),
		"HotLock":  reflect.TypeFor[HotLock](),
		"Decision": reflect.TypeFor[DecisionEntry](), "DecisionReport": reflect.TypeFor[DecisionReport](),
		"DecisionCopy": reflect.TypeFor[DecisionCopy](), "Halves": reflect.TypeFor[HalvesView](),
		"GivenUpHalf": reflect.TypeFor[GivenUpHalfView](),
		"Queues":      reflect.TypeFor[QueuesView](), "Queue": reflect.TypeFor[QueueView](),
		"SilentBroker": reflect.TypeFor[SilentBroker](),
		"Overview":     reflect.TypeFor[Overview](), "Rates": reflect.TypeFor[Rates](),
		"Pulse": reflect.TypeFor[Pulse](), "Latency": reflect.TypeFor[Latency](),
		"Cluster": reflect.TypeFor[ClusterView](), "Target": reflect.TypeFor[TargetView](),
		"Place": reflect.TypeFor[Place](), "ConfigEntry": reflect.TypeFor[ConfigEntry](),
		"PossibleAction": reflect.TypeFor[PossibleAction](), "Cause": reflect.TypeFor[Cause](),
	}
}
