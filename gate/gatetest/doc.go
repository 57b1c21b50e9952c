// Package gatetest holds what tests need of a consent store: an in-memory [Store] with knobs for trouble, and
// [TestStore], the contract that every implementation of [gate.Store] proves.
//
// It is not a store for use: it forgets everything when the process ends. Only tests import it.
package gatetest
