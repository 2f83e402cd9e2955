import { Tabs } from '@mantine/core'
import { useSearchParams } from 'react-router'
import { useWords } from '@/i18n'
import { Page } from '@/shared/Page.tsx'
import classes from './decisions.module.css'
import { Halves } from './Halves.tsx'
import { Log } from './Log.tsx'
import { words } from './words.ts'

/** Decisions shows what was decided as it was published, and what is on its way. */
export default function Decisions() {
  const t = useWords(words)
  const [query, setQuery] = useSearchParams()
  const tab = query.get('tab') === 'halves' ? 'halves' : 'log'
  return (
    <Page title={t('title')} text={t('intro')}>
      <Tabs
        value={tab}
        keepMounted={false}
        onChange={(next) => setQuery(next === 'halves' ? { tab: next } : {})}
      >
        <Tabs.List aria-label={t('sections')}>
          <Tabs.Tab value="log">{t('log')}</Tabs.Tab>
          <Tabs.Tab value="halves">{t('halves')}</Tabs.Tab>
        </Tabs.List>
        <div className={`card ${classes['panel']}`}>
          <Tabs.Panel value="log">
            <Log />
          </Tabs.Panel>
          <Tabs.Panel value="halves">
            <Halves />
          </Tabs.Panel>
        </div>
      </Tabs>
    </Page>
  )
}
