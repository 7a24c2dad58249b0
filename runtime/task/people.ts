// People as approvals count them. Pure.
//
// 1. Where people are told apart, names that differ in case, spaces or Unicode's equivalent forms are of one: another
//    spelling makes nobody a second person. Where a name gives somebody a right it must be that very name, because
//    somebody else may have the other spelling.
// 2. Two votes are of two people only if nobody stands behind both.
import { sortedJson } from '../json/sorted.ts'
import type { Json } from '../../schemas/json.ts'

/** Who a vote is of: a person, and others who may have sent it in that person's name. */
export interface Voter {
  readonly by: string | null
  readonly madeBy?: readonly string[]
}

const formOf = (name: string): string =>
  name.normalize('NFKC').toLowerCase().normalize('NFKC').replaceAll(/\s+/gu, ' ').trim()

export const maybeSamePerson = (one: string, other: string): boolean => formOf(one) === formOf(other)

/** How many people have voted at least: votes that have somebody in common count as one. */
export function peopleIn(votes: readonly Voter[]): number {
  const groups: Set<string>[] = []
  for (const { by, madeBy = [] } of votes) {
    const own = new Set([...(by === null ? [] : [by]), ...madeBy].map(formOf))
    const joined = groups.filter((group) => [...own].some((person) => group.has(person)))
    for (const group of joined) {
      groups.splice(groups.indexOf(group), 1)
      for (const person of group) own.add(person)
    }
    groups.push(own)
  }
  return groups.length
}

/** A vote, and what it is for; null: what was asked for. */
export interface SubjectVote extends Voter {
  readonly arguments: Json
}

/** What a vote is for, as text. `asked`: what one without arguments is for. */
const subjectOf = (asked: Json, { arguments: given }: SubjectVote): string => sortedJson(given ?? asked)

/** Votes for the same as this one, itself among them. */
export function agreeing<V extends SubjectVote>(asked: Json, votes: readonly V[], vote: V): V[] {
  const subject = subjectOf(asked, vote)
  return votes.filter((other) => subjectOf(asked, other) === subject)
}

/** How many people agree on the same, where most do. */
export function mostAgreeing(asked: Json, votes: readonly SubjectVote[]): number {
  const bySubject = Map.groupBy(votes, (vote) => subjectOf(asked, vote))
  return Math.max(0, ...[...bySubject.values()].map((same) => peopleIn(same)))
}
