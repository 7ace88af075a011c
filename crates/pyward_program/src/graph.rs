//! Strongly connected components and levels of a directed graph.

/// The components of a graph and the level of each node.
#[derive(Debug)]
pub(crate) struct Condensation {
    /// Component of each node. Components are numbered so that edges lead to lower or equal numbers.
    pub(crate) component: Vec<u32>,
    /// Number of components.
    pub(crate) count: usize,
}

/// Edges in one array, the successors of node `n` at `starts[n]..starts[n + 1]`.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    starts: Vec<u32>,
    edges: Vec<u32>,
}

impl Graph {
    /// The graph whose node `n` has the successors `lists[n]`.
    pub(crate) fn new(lists: &[Vec<u32>]) -> Self {
        let mut graph = Self {
            starts: Vec::with_capacity(lists.len() + 1),
            edges: Vec::with_capacity(lists.iter().map(Vec::len).sum()),
        };
        graph.starts.push(0);
        for list in lists {
            graph.edges.extend(list);
            let end = u32::try_from(graph.edges.len()).unwrap_or(u32::MAX);
            graph.starts.push(end);
        }
        graph
    }

    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn successors(&self, node: u32) -> &[u32] {
        let start = self.starts[node as usize] as usize;
        let end = self.starts[node as usize + 1] as usize;
        &self.edges[start..end]
    }

    /// Tarjan's algorithm, without recursion.
    pub(crate) fn condense(&self) -> Condensation {
        const UNSEEN: u32 = u32::MAX;
        let n = self.len();
        let mut index = vec![UNSEEN; n];
        let mut low = vec![0_u32; n];
        let mut component = vec![UNSEEN; n];
        let mut stack: Vec<u32> = Vec::new();
        let mut calls: Vec<(u32, u32)> = Vec::new();
        let mut next = 0_u32;
        let mut count = 0_u32;
        for root in 0..u32::try_from(n).unwrap_or(u32::MAX) {
            if index[root as usize] != UNSEEN {
                continue;
            }
            calls.push((root, 0));
            while let Some(&mut (node, ref mut at)) = calls.last_mut() {
                let i = node as usize;
                if *at == 0 {
                    index[i] = next;
                    low[i] = next;
                    next += 1;
                    stack.push(node);
                }
                let successors = self.successors(node);
                if let Some(&successor) = successors.get(*at as usize) {
                    *at += 1;
                    let s = successor as usize;
                    if index[s] == UNSEEN {
                        calls.push((successor, 0));
                    } else if component[s] == UNSEEN {
                        low[i] = low[i].min(index[s]);
                    }
                    continue;
                }
                calls.pop();
                if let Some(&(parent, _)) = calls.last() {
                    let p = parent as usize;
                    low[p] = low[p].min(low[i]);
                }
                if low[i] == index[i] {
                    while let Some(member) = stack.pop() {
                        component[member as usize] = count;
                        if member == node {
                            break;
                        }
                    }
                    count += 1;
                }
            }
        }
        Condensation {
            component,
            count: count as usize,
        }
    }

    /// Nodes by level: one more than the highest level of their successors outside their component. Within
    /// a component, nodes with a higher `rank` are on later levels.
    pub(crate) fn levels(&self, rank: impl Fn(u32) -> u32) -> Vec<Vec<u32>> {
        let Condensation { component, count } = self.condense();
        let mut members: Vec<Vec<u32>> = vec![Vec::new(); count];
        for (node, &c) in component.iter().enumerate() {
            members[c as usize].push(u32::try_from(node).unwrap_or(u32::MAX));
        }
        let mut levels: Vec<Vec<u32>> = Vec::new();
        // First level after each component.
        let mut after = vec![0_usize; count];
        for (c, nodes) in members.iter().enumerate() {
            let mut base = 0;
            let mut lowest = u32::MAX;
            for &node in nodes {
                lowest = lowest.min(rank(node));
                for &successor in self.successors(node) {
                    let other = component[successor as usize] as usize;
                    if other != c {
                        base = base.max(after[other]);
                    }
                }
            }
            for &node in nodes {
                let level = base + (rank(node) - lowest) as usize;
                if levels.len() <= level {
                    levels.resize_with(level + 1, Vec::new);
                }
                levels[level].push(node);
                after[c] = after[c].max(level + 1);
            }
        }
        for level in &mut levels {
            level.sort_unstable();
        }
        levels
    }
}

#[cfg(test)]
mod tests {
    use super::Graph;

    #[test]
    fn components_share_a_level() {
        let graph = Graph::new(&[vec![1], vec![2, 3], vec![1], vec![], vec![0, 3]]);
        assert_eq!(graph.levels(|_| 0), [vec![3], vec![1, 2], vec![0], vec![4]]);
    }

    #[test]
    fn rank_splits_components() {
        let graph = Graph::new(&[vec![1], vec![0], vec![1]]);
        assert_eq!(
            graph.levels(|n| u32::from(n == 1)),
            [vec![0], vec![1], vec![2]]
        );
    }

    #[test]
    fn long_chains_need_no_stack() {
        let n = 200_000_u32;
        let lists: Vec<_> = (0..n)
            .map(|i| if i + 1 < n { vec![i + 1] } else { vec![] })
            .collect();
        assert_eq!(Graph::new(&lists).levels(|_| 0).len(), n as usize);
    }
}
