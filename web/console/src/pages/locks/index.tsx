import { Tabs } from '@mantine/core'
import { useSearchParams } from 'react-router'
import { useWords } from '@/i18n'
import { Page } from '@/shared/Page.tsx'
import { Graph } from './Graph.tsx'
import { Held } from './Held.tsx'
import { Hottest } from './Hottest.tsx'
import classes from './locks.module.css'
import { words } from './words.ts'

const tabs = ['held', 'graph', 'hottest'] as const

/** Locks shows rows that are held, who waits for whom, and what is fought over. */
export default function Locks() {
  const t = useWords(words)
  const [query, setQuery] = useSearchParams()
  const wanted = query.get('tab')
  const tab = tabs.find((each) => each === wanted) ?? 'held'
  return (
    <Page title={t('title')} text={t('intro')}>
      {wanted !== null && wanted !== tab && <p role="status">{t('noTab', { tab: wanted })}</p>}
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(next) => setQuery(next && next !== 'held' ? { tab: next } : {})}
      >
        <Tabs.List aria-label={t('sections')}>
          {tabs.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t(each)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <div className={`card ${classes['frame']}`}>
          <Tabs.Panel value="held">
            <Held />
          </Tabs.Panel>
          <Tabs.Panel value="graph">
            <Graph />
          </Tabs.Panel>
          <Tabs.Panel value="hottest">
            <Hottest />
          </Tabs.Panel>
        </div>
      </Tabs>
    </Page>
  )
}
