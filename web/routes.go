package web

import (
	"maps"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/concord-tx/concord/web/access"
)

// rule is what is decided about a request before its handler gets it.
type rule struct {
	// role is the one role that the route needs; [access.Open] needs none.
	role access.Role
	// scope says how a principal that is restricted to some applications is held to them.
	scope scope
	// action is what the journal calls it; empty is not written. Every changing route that people use has one.
	action string
	// begins: it begins a transaction, answers 201, and names it by its number at the end of the header Location. It
	// counts against the begins and the live transactions of a key.
	begins bool
	// long: it may take longer than an answer may, and sees to its own deadlines.
	long bool
	// near: from this machine it is open to everybody.
	near bool
	// secret: its answer holds a secret, or its body does, so that nothing of it is stored for a repetition.
	secret bool
	// changes: it changes something although it is a GET, because a browser can do no other there.
	changes bool
}

// scope says how a principal that is restricted to some applications or groups is held to them.
type scope uint8

const (
	// nothingOf keeps restricted principals out.
	nothingOf scope = iota
	// freeOf is for what belongs to no application.
	freeOf
	// pathOf lets them have what belongs to the transaction in the path, xid, if that is one of theirs.
	pathOf
	// queryOf lets them list what belongs to the application in the query.
	queryOf
	// bodyOf leaves it to the handler, which calls allowed as soon as it knows the application.
	bodyOf
)

// v1 begins the routes of the API.
const v1 = "/api/v1"

// rules is the table of all routes. A route without a row is closed to everybody; a test finds it.
func rules() map[string]rule {
	viewing := rule{role: access.Viewer}
	all := map[string]rule{
		"GET /healthz":                    {role: access.Open, scope: freeOf},
		"HEAD /healthz":                   {role: access.Open, scope: freeOf},
		"GET /readyz":                     {role: access.Open, scope: freeOf},
		"HEAD /readyz":                    {role: access.Open, scope: freeOf},
		"GET /metrics":                    {role: access.Viewer, near: true},
		"GET /openapi.yaml":               {role: access.Open, scope: freeOf},
		"GET /docs":                       {role: access.Open, scope: freeOf},
		"GET /docs/style.css":             {role: access.Open, scope: freeOf},
		"GET /docs/icon.svg":              {role: access.Open, scope: freeOf},
		"GET " + v1 + "/version":          {role: access.Member, scope: freeOf},
		"GET " + v1 + "/locks":            viewing,
		"GET " + v1 + "/locks/graph":      viewing,
		"GET " + v1 + "/locks/hottest":    viewing,
		"GET " + v1 + "/cluster":          viewing,
		"GET " + v1 + "/applications":     viewing,
		"GET " + v1 + "/resources":        viewing,
		"GET " + v1 + "/config":           {role: access.Admin},
		"GET " + v1 + "/overview":         viewing,
		"GET " + v1 + "/overview/history": viewing,
		"GET " + overviewPath:             {role: access.Viewer, long: true},
		"GET " + v1 + "/waits":            viewing,
		"GET " + v1 + "/sessions":         viewing,
		"GET " + v1 + "/nodes":            viewing,
		"GET " + v1 + "/queues":           viewing,
		"GET " + v1 + "/settings":         viewing,

		"POST " + v1 + "/nodes/:node/drain": {role: access.Admin, action: "node.drain"},

		"GET " + v1 + "/playground":              viewing,
		"POST " + v1 + "/playground/:scenario":   {role: access.Operator, action: "playground.start"},
		"DELETE " + v1 + "/playground/runs/:run": {role: access.Operator, action: "playground.stop"},

		"PUT " + v1 + "/settings/:key": {role: access.Admin, action: "setting.change"},
	}
	maps.Copy(all, transactionRules())
	maps.Copy(all, eventRules())
	maps.Copy(all, accessRules())
	maps.Copy(all, sagaRules())
	maps.Copy(all, taskRules())
	maps.Copy(all, runRules())
	return all
}

// transactionRules are those of transactions, messages and jobs.
func transactionRules() map[string]rule {
	const tx = v1 + "/transactions/:xid"
	viewing := rule{role: access.Viewer}
	return map[string]rule{
		"GET " + v1 + "/transactions":             {role: access.Viewer, scope: queryOf},
		"GET " + v1 + "/transactions/export":      {role: access.Viewer, scope: queryOf, long: true},
		"POST " + v1 + "/transactions":            {role: access.Service, scope: bodyOf, begins: true},
		"GET " + tx:                               {role: access.Member, scope: pathOf},
		"GET " + tx + "/history":                  {role: access.Member, scope: pathOf},
		"GET " + tx + "/stream":                   {role: access.Member, scope: pathOf, long: true},
		"GET " + tx + "/why":                      {role: access.Member, scope: pathOf},
		"POST " + tx + "/branches":                {role: access.Service, scope: pathOf},
		"POST " + tx + "/branches/:branch/report": {role: access.Service, scope: pathOf},
		"POST " + tx + "/commit":                  {role: access.Decider, scope: pathOf, action: "transaction.commit"},
		"POST " + tx + "/rollback":                {role: access.Decider, scope: pathOf, action: "transaction.rollback"},
		"POST " + tx + "/plan":                    {role: access.Operator, scope: pathOf},
		"POST " + tx + "/operations":              {role: access.Operator, scope: pathOf, action: "transaction.operate"},
		"POST " + v1 + "/messages":                {role: access.Service, scope: bodyOf, begins: true},
		"POST " + v1 + "/messages/:xid/submit":    {role: access.Service, scope: pathOf},
		"POST " + v1 + "/messages/:xid/withdraw":  {role: access.Service, scope: pathOf},
		"GET " + v1 + "/jobs":                     viewing,
		"POST " + v1 + "/jobs":                    {role: access.Operator, action: "job.make"},
		"GET " + v1 + "/jobs/:job":                viewing,
		"GET " + v1 + "/jobs/:job/items":          viewing,
		"GET " + v1 + "/jobs/:job/items/export":   {role: access.Viewer, long: true},
		"POST " + v1 + "/jobs/:job/start":         {role: access.Operator, action: "job.start"},
		"POST " + v1 + "/jobs/:job/cancel":        {role: access.Operator, action: "job.cancel"},
		"GET " + v1 + "/views":                    viewing,
		"POST " + v1 + "/views":                   {role: access.Viewer, action: "view.make"},
		"PUT " + v1 + "/views/:view":              {role: access.Viewer, action: "view.change"},
		"DELETE " + v1 + "/views/:view":           {role: access.Viewer, action: "view.delete"},
	}
}

// eventRules are those of the events of decisions.
func eventRules() map[string]rule {
	const groups = v1 + "/events/groups/:group"
	return map[string]rule{
		"GET " + v1 + "/decisions":        {role: access.Viewer},
		"GET " + v1 + "/decisions/stream": {role: access.Viewer, long: true},
		"GET " + v1 + "/decisions/halves": {role: access.Viewer},
		"GET " + v1 + "/decisions/:xid":   {role: access.Member, scope: pathOf},

		"GET " + v1 + "/events":                          {role: access.Member},
		"GET " + streamPath:                              {role: access.Member, long: true, changes: true},
		"GET " + v1 + "/events/groups":                   {role: access.Member},
		"GET " + groups:                                  {role: access.Member},
		"PUT " + groups:                                  {role: access.Service, action: "group.put"},
		"DELETE " + groups:                               {role: access.Resolver, action: "group.delete"},
		"POST " + groups + "/poll":                       {role: access.Service},
		"POST " + groups + "/ack":                        {role: access.Service},
		"POST " + groups + "/nack":                       {role: access.Service},
		"POST " + groups + "/seek":                       {role: access.Operator, action: "group.seek"},
		"GET " + v1 + "/events/deadletters":              {role: access.Member},
		"GET " + groups + "/deadletters":                 {role: access.Member},
		"GET " + groups + "/deadletters/:letter":         {role: access.Member},
		"POST " + groups + "/deadletters/:letter/replay": {role: access.Operator, action: "deadletter.replay"},
		"DELETE " + groups + "/deadletters/:letter":      {role: access.Resolver, action: "deadletter.discard"},
	}
}

// sagaRules are those of sagas.
func sagaRules() map[string]rule {
	const definitions, drafts = v1 + "/sagas/definitions", v1 + "/sagas/drafts"
	viewing := rule{role: access.Viewer}
	return map[string]rule{
		"POST " + v1 + "/sagas/review":                    viewing,
		"POST " + v1 + "/sagas/simulate":                  viewing,
		"POST " + v1 + "/sagas/replies":                   {role: access.Service, scope: bodyOf},
		"GET " + definitions:                              viewing,
		"POST " + definitions:                             {role: access.Operator, action: "saga.publish"},
		"GET " + definitions + "/:saga":                   viewing,
		"POST " + definitions + "/:saga/move":             {role: access.Operator, action: "saga.move"},
		"GET " + definitions + "/:saga/versions":          viewing,
		"GET " + definitions + "/:saga/versions/:version": viewing,
		"GET " + drafts:                                   viewing,
		"GET " + drafts + "/:saga":                        viewing,
		"PUT " + drafts + "/:saga":                        {role: access.Operator, action: "sagaDraft.put"},
		"DELETE " + drafts + "/:saga":                     {role: access.Operator, action: "sagaDraft.delete"},
		"POST " + drafts + "/:saga/publish":               {role: access.Operator, action: "saga.publish"},
	}
}

// runRules are those of runs of sagas.
func runRules() map[string]rule {
	const runs, run = v1 + "/sagas/runs", v1 + "/sagas/runs/:xid"
	return map[string]rule{
		"GET " + runs:                      {role: access.Viewer, scope: queryOf},
		"POST " + runs:                     {role: access.Service, scope: bodyOf, begins: true},
		"GET " + run:                       {role: access.Member, scope: pathOf},
		"POST " + run + "/signals/:signal": {role: access.Service, scope: pathOf},
		"POST " + run + "/approvals/:step": {role: access.Member, scope: pathOf, action: "saga.approve"},
		"POST " + run + "/cancel":          {role: access.Decider, scope: pathOf, action: "saga.cancel"},
		"POST " + run + "/retry":           {role: access.Operator, scope: pathOf, action: "saga.retry"},
		"POST " + run + "/resume":          {role: access.Operator, scope: pathOf, action: "saga.resume"},
		"POST " + run + "/move":            {role: access.Operator, scope: pathOf, action: "saga.move"},
		"POST " + run + "/skip":            {role: access.Resolver, scope: pathOf, action: "saga.skip"},
	}
}

// accessRules are those of keys, signing in, the journal, and second persons.
func accessRules() map[string]rule {
	const approval = v1 + "/approvals/:approval"
	viewing := rule{role: access.Viewer}
	return map[string]rule{
		"GET " + v1 + "/keys":                   {role: access.Admin},
		"POST " + v1 + "/keys":                  {role: access.Admin, action: "key.create", secret: true},
		"GET " + v1 + "/keys/:key":              {role: access.Admin},
		"DELETE " + v1 + "/keys/:key":           {role: access.Admin, action: "key.revoke"},
		"GET /auth/ways":                        {role: access.Open, scope: freeOf},
		"POST /auth/session":                    {role: access.Open, scope: freeOf, secret: true},
		"GET /auth/login":                       {role: access.Open, scope: freeOf},
		"GET " + access.CallbackPath:            {role: access.Open, scope: freeOf, changes: true},
		"POST /auth/logout":                     {role: access.Member, scope: freeOf, action: "signin.end", secret: true},
		"GET " + access.SignedOutPath:           {role: access.Open, scope: freeOf},
		"GET " + v1 + "/me":                     {role: access.Member, scope: freeOf},
		"GET " + v1 + "/signins":                {role: access.Admin},
		"DELETE " + v1 + "/signins/:signin":     {role: access.Admin, action: "signin.end"},
		"GET " + v1 + "/journal":                viewing,
		"GET " + v1 + "/approvals":              viewing,
		"GET " + v1 + "/inbox/waits":            viewing,
		"GET " + v1 + "/inbox/claims":           viewing,
		"POST " + v1 + "/inbox/claims":          {role: access.Operator, action: "inbox.claim"},
		"DELETE " + v1 + "/inbox/claims/:claim": {role: access.Operator, action: "inbox.release"},
		"GET " + approval:                       viewing,
		"POST " + approval + "/approve":         {role: access.Resolver, action: "approval.approve"},
		"POST " + approval + "/reject":          {role: access.Resolver, action: "approval.reject"},
		"GET " + v1 + "/journal/export":         {role: access.Viewer, long: true},
		"GET " + v1 + "/journal/verify":         viewing,
	}
}

// route is what a request matches.
type route struct{ method, path string }

// ruleOf returns the row of the route that a request matched. ok is false if it matched none.
func (s *Server) ruleOf(c *gin.Context) (r rule, ok bool) {
	if c.FullPath() == "" {
		return rule{}, false
	}
	r, found := s.byRoute[route{c.Request.Method, c.FullPath()}]
	if !found {
		return rule{role: closed}, true
	}
	return r, true
}

// closed is a role that nobody has.
const closed access.Role = 0

// changing reports whether a route may change something by its method.
func changing(method string) bool {
	return method != http.MethodGet && method != http.MethodHead
}
