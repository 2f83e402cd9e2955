import { Tabs } from '@mantine/core'
import type { ReactNode } from 'react'
import { useSearchParams } from 'react-router'
import classes from './Sections.module.css'

export interface SectionsProps<Id extends string> {
  /** What the list of tabs is called, for those who do not see it. */
  readonly label: string
  readonly sections: readonly { readonly id: Id; readonly name: string; readonly show: ReactNode }[]
  /** The one that is shown if the address names none that there is. */
  readonly first: Id
  /** The query of the address when a section is chosen, given the present one; absent: the section alone. */
  readonly address?: (chosen: Id, was: URLSearchParams) => Record<string, string>
}

/** chosenOf returns the section that the address names, or the first one. */
export function chosenOf<Id extends string>(query: URLSearchParams, ids: readonly Id[], first: Id): Id {
  return ids.find((each) => each === query.get('tab')) ?? first
}

/** Sections is a page's parts on tabs; which one is shown is in the address. Only that one is there. */
export function Sections<Id extends string>({ label, sections, first, address }: SectionsProps<Id>) {
  const [query, setQuery] = useSearchParams()
  const ids = sections.map((each) => each.id)
  const choose = (next: string | null) => {
    const id = ids.find((each) => each === next)
    if (id) setQuery((was) => address?.(id, was) ?? { tab: id })
  }
  return (
    <Tabs value={chosenOf(query, ids, first)} keepMounted={false} onChange={choose}>
      <Tabs.List aria-label={label}>
        {sections.map((each) => (
          <Tabs.Tab key={each.id} value={each.id}>
            {each.name}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <div className={`card ${classes['panel']}`}>
        {sections.map((each) => (
          <Tabs.Panel key={each.id} value={each.id}>
            {each.show}
          </Tabs.Panel>
        ))}
      </div>
    </Tabs>
  )
}
