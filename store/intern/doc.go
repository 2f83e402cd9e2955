// Package intern keeps one copy of the strings that many stored records share: resources, applications, addresses. Both
// stores decode records with it. What it keeps is bounded and never dropped.
package intern
