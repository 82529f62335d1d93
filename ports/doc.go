// Package ports holds what the use cases need of the world, as they see it: interfaces and function types, each with its
// contract in prose and a suite in test/contract that holds every implementation to it. The direction is not in the
// name: adapters has the implementations, and also what calls the use cases from outside.
package ports
